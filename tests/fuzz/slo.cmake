# SPDX-License-Identifier: Apache-2.0
# The sources of slo/ are compiled in, so that they are instrumented for coverage.
file(GLOB slo_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/slo/*.c)
add_executable(fuzz_budget fuzz_budget.c ${slo_sources} ${PROJECT_SOURCE_DIR}/tests/support/synth_run.c
	${PROJECT_SOURCE_DIR}/tests/support/synth_groups.c)
target_include_directories(fuzz_budget PRIVATE ${PROJECT_SOURCE_DIR}/tests/support)
target_compile_options(fuzz_budget PRIVATE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
target_link_options(fuzz_budget PRIVATE -fsanitize=fuzzer,address,undefined)
target_link_libraries(fuzz_budget PRIVATE bo_model bo_base m)
