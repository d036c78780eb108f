# SPDX-License-Identifier: Apache-2.0
add_executable(lab_bench ${CMAKE_CURRENT_SOURCE_DIR}/lab_bench.c)
target_link_libraries(lab_bench PRIVATE bo_harness)
