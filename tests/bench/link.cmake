# SPDX-License-Identifier: Apache-2.0
# What a link could be made of.  io_uring and AF_XDP are measured where their libraries are there.
add_executable(link_mechanisms_bench ${CMAKE_CURRENT_SOURCE_DIR}/link_mechanisms_bench.c ${CMAKE_CURRENT_SOURCE_DIR}/hop.c
	${CMAKE_CURRENT_SOURCE_DIR}/hop_packet.c ${CMAKE_CURRENT_SOURCE_DIR}/hop_queue.c
	${CMAKE_CURRENT_SOURCE_DIR}/wire_flows.c
	${PROJECT_SOURCE_DIR}/tests/unit/wire_netns.c)
target_include_directories(link_mechanisms_bench PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
target_link_libraries(link_mechanisms_bench PRIVATE bo_lab)
pkg_check_modules(URING IMPORTED_TARGET QUIET liburing)
if(URING_FOUND)
	target_sources(link_mechanisms_bench PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/hop_uring.c)
	target_compile_definitions(link_mechanisms_bench PRIVATE HAVE_URING)
	target_link_libraries(link_mechanisms_bench PRIVATE PkgConfig::URING)
endif()
pkg_check_modules(XDP IMPORTED_TARGET QUIET libxdp libbpf)
if(XDP_FOUND)
	target_sources(link_mechanisms_bench PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/hop_xdp.c)
	target_compile_definitions(link_mechanisms_bench PRIVATE HAVE_XDP)
	target_link_libraries(link_mechanisms_bench PRIVATE PkgConfig::XDP)
endif()
