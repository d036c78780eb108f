# SPDX-License-Identifier: Apache-2.0
# The parsers' sources are compiled in, so that they are instrumented for coverage.
foreach(target pprof pprof2 prometheus)
	add_executable(fuzz_${target} fuzz_${target}.c ${PROJECT_SOURCE_DIR}/src/probe/${target}_parse.c
		${PROJECT_SOURCE_DIR}/src/base/err.c)
	target_include_directories(fuzz_${target} PRIVATE ${PROJECT_SOURCE_DIR}/include)
	target_compile_options(fuzz_${target} PRIVATE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
	target_link_options(fuzz_${target} PRIVATE -fsanitize=fuzzer,address,undefined)
endforeach()
