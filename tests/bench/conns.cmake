# SPDX-License-Identifier: Apache-2.0
add_executable(conns_bench ${CMAKE_CURRENT_SOURCE_DIR}/conns_bench.c ${PROJECT_SOURCE_DIR}/tests/unit/wire_packets.c)
target_include_directories(conns_bench PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit ${PROJECT_SOURCE_DIR}/src/lab)
target_link_libraries(conns_bench PRIVATE bo_lab)
