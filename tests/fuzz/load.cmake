# SPDX-License-Identifier: Apache-2.0
# The parser's source is compiled in, so that it is instrumented for coverage.
add_executable(fuzz_http1 fuzz_http1.c ${PROJECT_SOURCE_DIR}/src/load/http1.c)
target_include_directories(fuzz_http1 PRIVATE ${PROJECT_SOURCE_DIR}/include)
target_compile_options(fuzz_http1 PRIVATE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
target_link_options(fuzz_http1 PRIVATE -fsanitize=fuzzer,address,undefined)
