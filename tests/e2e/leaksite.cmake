# SPDX-License-Identifier: Apache-2.0
# A goroutine budget that FAILs names the line that leaks: see leaksite.sh.
add_test(NAME e2e.leaksite.orders COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/leaksite.sh)
set_tests_properties(e2e.leaksite.orders PROPERTIES LABELS e2e TIMEOUT 120
	ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>;SERVICES=${PROJECT_BINARY_DIR}/services;CATALOGUE=${PROJECT_SOURCE_DIR}/scenarios")
