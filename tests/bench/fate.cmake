# SPDX-License-Identifier: Apache-2.0
add_executable(fate_bench ${CMAKE_CURRENT_SOURCE_DIR}/fate_bench.c)
target_include_directories(fate_bench PRIVATE ${PROJECT_SOURCE_DIR}/src/lab)
target_link_libraries(fate_bench PRIVATE bo_lab)
add_executable(chance_bench ${CMAKE_CURRENT_SOURCE_DIR}/chance_bench.c)
target_include_directories(chance_bench PRIVATE ${PROJECT_SOURCE_DIR}/src/lab ${PROJECT_SOURCE_DIR}/src/fault
	${PROJECT_SOURCE_DIR}/tests/support)
target_link_libraries(chance_bench PRIVATE bo_fault m)
