# SPDX-License-Identifier: Apache-2.0
# The load engine's protocols against a Go service: see protocols.sh.
add_test(NAME e2e.protocols COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/protocols.sh)
set_tests_properties(e2e.protocols PROPERTIES LABELS e2e TIMEOUT 120 SKIP_RETURN_CODE 77
	ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>;SERVICES=${PROJECT_BINARY_DIR}/services")
