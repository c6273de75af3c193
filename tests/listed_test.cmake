# Fails on a *_test.cc that CMakeLists.txt does not build: a test that is not built is not a test.
#   cmake -DROOT=<repository> -P tests/listed_test.cmake
cmake_minimum_required(VERSION 3.25)

# Comments do not count as a listing.
file(STRINGS ${ROOT}/CMakeLists.txt lines)
list(FILTER lines EXCLUDE REGEX "^[ \t]*#")
list(JOIN lines "\n" build)
file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/tests/*_test.cc)
set(missing "")
set(count 0)
foreach(file IN LISTS files)
  math(EXPR count "${count} + 1")
  string(FIND "${build}" "${file}" at)
  if(at EQUAL -1)
    list(APPEND missing ${file})
  endif()
endforeach()

if(count EQUAL 0)
  message(FATAL_ERROR "no tests under ${ROOT}/tests")
endif()
if(missing)
  list(JOIN missing "\n  " text)
  message(FATAL_ERROR "not built by CMakeLists.txt:\n  ${text}")
endif()
message(STATUS "listed: ${count} test files")
