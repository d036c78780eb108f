# SPDX-License-Identifier: Apache-2.0
# The parsers' sources are compiled in, so that they are instrumented for coverage.
function(load_fuzzer name)
	list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/src/)
	add_executable(${name} ${name}.c ${ARGN})
	target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src/load)
	target_compile_options(${name} PRIVATE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
	target_link_options(${name} PRIVATE -fsanitize=fuzzer,address,undefined)
endfunction()
load_fuzzer(fuzz_http1 load/http1.c)
load_fuzzer(fuzz_h2 load/h2.c load/grpc.c)
target_link_libraries(fuzz_h2 PRIVATE PkgConfig::libnghttp2)
load_fuzzer(fuzz_load load/tcp_answer.c load/grpc.c model/template.c)
target_link_libraries(fuzz_load PRIVATE bo_base)
