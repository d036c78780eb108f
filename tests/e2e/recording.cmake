# SPDX-License-Identifier: Apache-2.0
# What a wire did to each packet, in a file that tshark reads.
foreach(case fates option limit netem names replay replay_refused)
	add_test(NAME e2e.recording.${case} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/recording/recording.sh ${case})
	set_tests_properties(e2e.recording.${case} PROPERTIES LABELS e2e TIMEOUT 120 SKIP_RETURN_CODE 77
		ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>")
endforeach()
