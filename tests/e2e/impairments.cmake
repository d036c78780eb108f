# SPDX-License-Identifier: Apache-2.0
# The same list of impairments on both drivers: natively on the wire, in user-mode Linux on netem.
add_test(NAME e2e.impairments.wire COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/impairments.sh wire)
set_tests_properties(e2e.impairments.wire PROPERTIES LABELS e2e TIMEOUT 90
	ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>")
brownout_uml_test(NAME impairments.netem TIMEOUT 120
	COMMAND ${CMAKE_COMMAND} -E env BROWNOUT=$<TARGET_FILE:brownout> ${CMAKE_CURRENT_SOURCE_DIR}/impairments.sh netem)
