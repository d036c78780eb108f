# SPDX-License-Identifier: Apache-2.0
# The sources of the census are compiled in, so that they are instrumented for coverage; libelf and libdw are the system's.
file(GLOB census_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/probe/census/*.c)
foreach(target census_world census_image)
	add_executable(fuzz_${target} fuzz_${target}.c ${census_sources})
	target_include_directories(fuzz_${target} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src/probe/census
		${PROJECT_SOURCE_DIR}/tests/census)
	target_link_libraries(fuzz_${target} PRIVATE bo_base PkgConfig::libelf PkgConfig::libdw)
	target_compile_options(fuzz_${target} PRIVATE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
	target_link_options(fuzz_${target} PRIVATE -fsanitize=fuzzer,address,undefined)
endforeach()
target_sources(fuzz_census_world PRIVATE ${PROJECT_SOURCE_DIR}/tests/census/world.c)
