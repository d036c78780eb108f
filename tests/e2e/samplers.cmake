# SPDX-License-Identifier: Apache-2.0
# What counts goroutines where the census of the main process cannot, and Go's own leak detector: see samplers.sh.
set(cases dark)
if(BROWNOUT_GO_LEAKPROFILE)
	list(APPEND cases proof dumps)
endif()
foreach(case ${cases})
	add_test(NAME e2e.samplers.${case} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/samplers.sh ${case})
	set_tests_properties(e2e.samplers.${case} PROPERTIES LABELS e2e TIMEOUT 120 SKIP_RETURN_CODE 77
		ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>;SERVICES=${PROJECT_BINARY_DIR}/services;SCENARIO=${CMAKE_CURRENT_SOURCE_DIR}/samplers.lua")
endforeach()
