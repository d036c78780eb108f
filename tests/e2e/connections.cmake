# SPDX-License-Identifier: Apache-2.0
# Faults on connections, each against a service with a pool: see connections.sh.
foreach(case reset connect-timeout connect-timeout-defective second-statement refuse unreachable cut close stall drip refuse-udp drop-udp share share-udp few nothing)
	add_test(NAME e2e.connections.${case} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/connections.sh ${case})
	set_tests_properties(e2e.connections.${case} PROPERTIES LABELS e2e TIMEOUT 90
		ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>;SERVICES=${PROJECT_BINARY_DIR}/services")
endforeach()
