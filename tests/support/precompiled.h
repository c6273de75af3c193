// What nearly every test includes, parsed once a target where VOLSTREAM_PRECOMPILE_TESTS is on.
// Tests include what they use all the same: they must compile without it.
#ifndef VOLSTREAM_TESTS_SUPPORT_PRECOMPILED_H_
#define VOLSTREAM_TESTS_SUPPORT_PRECOMPILED_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

#endif  // VOLSTREAM_TESTS_SUPPORT_PRECOMPILED_H_
