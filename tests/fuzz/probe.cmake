# SPDX-License-Identifier: Apache-2.0
# The parser's sources are compiled in, so that they are instrumented for coverage.
add_executable(fuzz_pprof fuzz_pprof.c ${PROJECT_SOURCE_DIR}/src/probe/pprof_parse.c ${PROJECT_SOURCE_DIR}/src/base/err.c)
target_include_directories(fuzz_pprof PRIVATE ${PROJECT_SOURCE_DIR}/include)
target_compile_options(fuzz_pprof PRIVATE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
target_link_options(fuzz_pprof PRIVATE -fsanitize=fuzzer,address,undefined)
