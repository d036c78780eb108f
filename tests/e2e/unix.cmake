# SPDX-License-Identifier: Apache-2.0
# Load and readiness over unix sockets: see unix.sh.
add_test(NAME e2e.unix COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/unix.sh)
set_tests_properties(e2e.unix PROPERTIES LABELS e2e TIMEOUT 120 SKIP_RETURN_CODE 77
	ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>;SERVICES=${PROJECT_BINARY_DIR}/services")
