# SPDX-License-Identifier: Apache-2.0
# Budgets over stuck and idle goroutines of identical state: see census/stuck.lua.
if(TARGET zoo)
	add_test(NAME e2e.census.stuck COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/census/stuck.sh)
	set_tests_properties(e2e.census.stuck PROPERTIES LABELS e2e TIMEOUT 120
		ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>;ZOO_DIR=${BROWNOUT_ZOO_DIR}")
endif()
