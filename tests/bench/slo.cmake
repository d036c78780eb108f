# SPDX-License-Identifier: Apache-2.0
add_executable(verdict_bench ${CMAKE_CURRENT_SOURCE_DIR}/verdict_bench.c ${PROJECT_SOURCE_DIR}/tests/support/slo_sim.c
	${PROJECT_SOURCE_DIR}/tests/support/synth_run.c)
target_include_directories(verdict_bench PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests/support)
target_link_libraries(verdict_bench PRIVATE bo_slo m)
