# SPDX-License-Identifier: Apache-2.0
add_executable(load_bench ${CMAKE_CURRENT_SOURCE_DIR}/load_bench.c ${CMAKE_CURRENT_SOURCE_DIR}/load_peers.c ${CMAKE_CURRENT_SOURCE_DIR}/load_floor.c)
target_link_libraries(load_bench PRIVATE bo_load m)
set(support ${PROJECT_SOURCE_DIR}/tests/support)
add_executable(load_conns_bench ${CMAKE_CURRENT_SOURCE_DIR}/load_conns_bench.c ${support}/testcert.c)
target_include_directories(load_conns_bench PRIVATE ${support})
target_link_libraries(load_conns_bench PRIVATE bo_load)

# The server is one file without imports beyond the standard library, so no module is needed.
find_program(BROWNOUT_GO go PATHS /usr/local/go/bin /usr/lib/go/bin DOC "The Go command")
if(BROWNOUT_GO)
	set(server ${CMAKE_CURRENT_BINARY_DIR}/bench_server)
	add_custom_command(OUTPUT ${server}
		COMMAND ${CMAKE_COMMAND} -E env GOFLAGS= GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0
			${BROWNOUT_GO} build -trimpath -o ${server} ${CMAKE_CURRENT_SOURCE_DIR}/bench_server.go
		DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/bench_server.go
		COMMENT "Building Go server bench_server")
	add_custom_target(load_bench_server ALL DEPENDS ${server})
	add_dependencies(load_bench load_bench_server)
endif()
