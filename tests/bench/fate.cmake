# SPDX-License-Identifier: Apache-2.0
add_executable(fate_bench ${CMAKE_CURRENT_SOURCE_DIR}/fate_bench.c)
target_include_directories(fate_bench PRIVATE ${PROJECT_SOURCE_DIR}/src/lab)
target_link_libraries(fate_bench PRIVATE bo_lab)
