# SPDX-License-Identifier: Apache-2.0
# What becomes of packets, and what tells it.  The sources are compiled in, so that they are instrumented for coverage.
file(GLOB wire_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/lab/wire_*.c)
set(model_sources ${PROJECT_SOURCE_DIR}/src/model/impair.c ${PROJECT_SOURCE_DIR}/src/model/dist.c)
set(netem_sources ${PROJECT_SOURCE_DIR}/src/sys/netem.c ${PROJECT_SOURCE_DIR}/src/sys/netem_encode.c)
function(lab_fuzzer name)
	add_executable(${name} ${name}.c ${ARGN})
	target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src/lab)
	target_link_libraries(${name} PRIVATE bo_model bo_base m)
	target_compile_options(${name} PRIVATE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
	target_link_options(${name} PRIVATE -fsanitize=fuzzer,address,undefined)
endfunction()
lab_fuzzer(fuzz_wire ${wire_sources} ${model_sources} ${PROJECT_SOURCE_DIR}/src/lab/record.c
	${PROJECT_SOURCE_DIR}/src/lab/pcapng.c)
target_link_libraries(fuzz_wire PRIVATE bo_sys)
lab_fuzzer(fuzz_impair ${wire_sources} ${model_sources} ${netem_sources} ${PROJECT_SOURCE_DIR}/src/lab/record.c
	${PROJECT_SOURCE_DIR}/src/lab/pcapng.c)
target_link_libraries(fuzz_impair PRIVATE bo_sys)
lab_fuzzer(fuzz_linkfile ${PROJECT_SOURCE_DIR}/src/model/linkfile.c ${PROJECT_SOURCE_DIR}/src/base/units.c)
lab_fuzzer(fuzz_dns ${PROJECT_SOURCE_DIR}/src/lab/dns_message.c)
pkg_check_modules(ldns REQUIRED IMPORTED_TARGET GLOBAL ldns)
target_link_libraries(fuzz_dns PRIVATE PkgConfig::ldns resolv)
