# Fails on an #include that goes upward, or of a package outside of its one home.
#   cmake -DROOT=<repository> -P tests/layering_test.cmake
cmake_minimum_required(VERSION 3.25)

# Floors, from below. A file includes from its own floor and from those under it; bench, tests and
# tools stand side by side on the top and do not include each other.
set(floors_under_engine engine)
set(floors_under_stages engine stages)
set(floors_under_tools engine stages tools)
set(floors_under_bench engine stages bench)
set(floors_under_tests engine stages tests)

# What only some files may include: a pattern of headers, then a pattern of files.
set(homes
  "^(tbb|oneapi)/"        "^engine/"
  "^curl/"                "^stages/(curl_[a-z]+\\.(h|cc)|url\\.cc)$"
  "^libdeflate\\.h$"      "^(stages/((gzip|inflate)_codec|index_blob|deflate_check)|bench/codec_table)\\.cc$"
  "^isa-l/igzip_lib\\.h$" "^stages/isal_deflate\\.cc$"
  "^zstd(_errors)?\\.h$"  "^(stages/zstd_(codec|inflate_codec|reader)\\.cc|tests/.*)$"
  "^zlib\\.h$"            "^(stages/gzip_reader|bench/codec_table)\\.cc$"
  "^openssl/"             "^stages/digest\\.cc$"
  "^archive(_entry)?\\.h$" "^(stages/foreign_tar_reader\\.cc|tests/.*)$"
  "^sqlite3\\.h$"         "^(stages/sqlite_[a-z_]*\\.(h|cc)|tests/.*)$"
  "^ini\\.h$"             "^stages/aws_config\\.cc$"
  "^CLI/"                 "^(tools|bench)/"
  "^spdlog/"              "^tools/"
  "^(gtest|gmock)/"       "^tests/"
  "^httplib\\.h$"         "^tests/support/"
  "^benchmark/"           "^bench/")

set(problems "")
set(count 0)
foreach(floor engine stages tools bench tests)
  file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/${floor}/*.h ${ROOT}/${floor}/*.cc)
  foreach(file IN LISTS files)
    math(EXPR count "${count} + 1")
    file(STRINGS ${ROOT}/${file} lines REGEX "^[ \t]*#[ \t]*include")
    foreach(line IN LISTS lines)
      if(line MATCHES "\"(engine|stages|tools|bench|tests)/")
        set(target ${CMAKE_MATCH_1})
        if(NOT target IN_LIST floors_under_${floor})
          list(APPEND problems "${file}: ${floor}/ may not include ${target}/: ${line}")
        endif()
      elseif(line MATCHES "\"" AND NOT line MATCHES "\"(absl|CLI)/")
        list(APPEND problems "${file}: own headers are included from the root: ${line}")
      endif()
      string(REGEX REPLACE ".*[<\"]([^>\"]*)[>\"].*" "\\1" header "${line}")
      set(rest ${homes})
      while(rest)
        list(POP_FRONT rest headers home)
        if(header MATCHES "${headers}" AND NOT file MATCHES "${home}")
          list(APPEND problems "${file}: only ${home} may include <${header}>")
        endif()
      endwhile()
    endforeach()
  endforeach()
endforeach()

if(count EQUAL 0)
  message(FATAL_ERROR "no sources under ${ROOT}")
endif()
if(problems)
  list(JOIN problems "\n  " text)
  message(FATAL_ERROR "layering:\n  ${text}")
endif()
message(STATUS "layering: ${count} files")
