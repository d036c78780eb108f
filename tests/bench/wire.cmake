# SPDX-License-Identifier: Apache-2.0
add_executable(wire_bench ${CMAKE_CURRENT_SOURCE_DIR}/wire_bench.c ${CMAKE_CURRENT_SOURCE_DIR}/wire_flows.c
	${CMAKE_CURRENT_SOURCE_DIR}/wire_peer.c ${PROJECT_SOURCE_DIR}/tests/unit/wire_netns.c)
target_include_directories(wire_bench PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
target_link_libraries(wire_bench PRIVATE bo_lab)
add_executable(wire_delay_bench ${CMAKE_CURRENT_SOURCE_DIR}/wire_delay_bench.c ${CMAKE_CURRENT_SOURCE_DIR}/wire_flows.c
	${PROJECT_SOURCE_DIR}/tests/unit/wire_netns.c)
target_include_directories(wire_delay_bench PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
target_link_libraries(wire_delay_bench PRIVATE bo_lab)
add_executable(wire_links_bench ${CMAKE_CURRENT_SOURCE_DIR}/wire_links_bench.c ${CMAKE_CURRENT_SOURCE_DIR}/wire_flows.c
	${PROJECT_SOURCE_DIR}/tests/unit/wire_netns.c)
target_include_directories(wire_links_bench PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
target_link_libraries(wire_links_bench PRIVATE bo_lab)
add_executable(wire_stamp_bench ${CMAKE_CURRENT_SOURCE_DIR}/wire_stamp_bench.c ${CMAKE_CURRENT_SOURCE_DIR}/wire_flows.c
	${PROJECT_SOURCE_DIR}/tests/unit/wire_netns.c)
target_include_directories(wire_stamp_bench PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
target_link_libraries(wire_stamp_bench PRIVATE bo_lab)
add_executable(wire_rtt_bench ${CMAKE_CURRENT_SOURCE_DIR}/wire_rtt_bench.c ${CMAKE_CURRENT_SOURCE_DIR}/wire_flows.c
	${CMAKE_CURRENT_SOURCE_DIR}/wire_peer.c ${PROJECT_SOURCE_DIR}/tests/unit/wire_netns.c)
target_include_directories(wire_rtt_bench PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
target_link_libraries(wire_rtt_bench PRIVATE bo_lab)
