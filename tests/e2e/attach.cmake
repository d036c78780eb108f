# SPDX-License-Identifier: Apache-2.0
# Faults on a service that runs already: see attach.sh.
foreach(case delay netns container loss corrupt netem pause kill refusals kill-conductor kill-keeper kill-both
	kill-attachment kill-three kill-all ttl)
	add_test(NAME e2e.attach.${case} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/attach/attach.sh ${case})
	set_tests_properties(e2e.attach.${case} PROPERTIES LABELS e2e TIMEOUT 120 SKIP_RETURN_CODE 77
		ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>;SERVICES=${PROJECT_BINARY_DIR}/services;LISTS=$<TARGET_FILE:attach_lists>")
endforeach()
# Where there is netem, it is what auto takes.
foreach(case netem kill-three)
	brownout_uml_test(NAME attach.${case} COMMAND env BROWNOUT=$<TARGET_FILE:brownout> SERVICES=${PROJECT_BINARY_DIR}/services
		LISTS=$<TARGET_FILE:attach_lists> ${CMAKE_CURRENT_SOURCE_DIR}/attach/attach.sh ${case}
		MODULES ifb sch_ingress sch_prio sch_tbf cls_bpf act_mirred act_skbedit)
endforeach()
# The whole program under UndefinedBehaviorSanitizer: build/clang (docs/testing.md).
set_property(TEST uml.attach.netem APPEND PROPERTY LABELS ubsan)
