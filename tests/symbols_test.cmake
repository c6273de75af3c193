# Fails on an object compiled for other processors than the rest that defines a weak function: the
# linker keeps one of all that define it, and the rest would call code that not every processor
# runs.
#   cmake -DNM=<nm> -DOBJECTS=<file>|<file>... -P tests/symbols_test.cmake
cmake_minimum_required(VERSION 3.25)

string(REPLACE "|" ";" objects "${OBJECTS}")
set(problems "")
set(count 0)
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} --defined-only --demangle ${object}
    OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" symbols "${text}")
  foreach(symbol IN LISTS symbols)
    if(symbol MATCHES " [A-Za-z] ")
      math(EXPR count "${count} + 1")
    endif()
    if(symbol MATCHES " [Ww] ")
      list(APPEND problems "${object}: ${symbol}")
    endif()
  endforeach()
endforeach()

if(count EQUAL 0)
  message(FATAL_ERROR "no symbols in ${OBJECTS}")
endif()
if(problems)
  list(JOIN problems "\n  " text)
  message(FATAL_ERROR "weak functions:\n  ${text}")
endif()
message(STATUS "symbols: ${count}")
