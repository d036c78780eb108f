# SPDX-License-Identifier: Apache-2.0
# A name server that fails, dawdles and lies: what Go's resolver and the C library's make of it.
if(BROWNOUT_GO)
	foreach(case answers slow timeout name never hosts)
		add_test(NAME e2e.dns.${case} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/dns/dns.sh ${case})
		set_tests_properties(e2e.dns.${case} PROPERTIES LABELS e2e TIMEOUT 90
			ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>;SERVICES=${PROJECT_BINARY_DIR}/services")
	endforeach()
	# with veth and netem, where the keeper goes another way
	brownout_uml_test(NAME dns.answers TIMEOUT 150
		COMMAND ${CMAKE_COMMAND} -E env BROWNOUT=$<TARGET_FILE:brownout> SERVICES=${PROJECT_BINARY_DIR}/services SLOW=true
			${CMAKE_CURRENT_SOURCE_DIR}/dns/dns.sh answers)
endif()
