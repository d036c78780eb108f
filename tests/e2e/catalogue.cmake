# SPDX-License-Identifier: Apache-2.0
# Every scenario of the catalogue with every variant of its service: see catalogue.sh.
# catalogue_test(SCENARIO VARIANT OUTCOME [SET PARAMETER] [BUDGET...]): SET gives the scenario's PARAMETER the value true.
function(catalogue_test scenario variant outcome)
	cmake_parse_arguments(PARSE_ARGV 3 arg "" "SET" "")
	get_filename_component(name ${scenario} NAME)
	set(name e2e.catalogue.${name}.${variant})
	set(args "")
	if(arg_SET)
		string(APPEND name .${arg_SET})
		set(args ";ARGS=--set ${arg_SET}=true")
	endif()
	add_test(NAME ${name}
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/catalogue.sh ${scenario} ${variant} ${outcome} ${arg_UNPARSED_ARGUMENTS})
	set_tests_properties(${name} PROPERTIES LABELS e2e TIMEOUT 120
		ENVIRONMENT "BROWNOUT=$<TARGET_FILE:brownout>;SERVICES=${BROWNOUT_SERVICES_DIR};CATALOGUE=${PROJECT_SOURCE_DIR}/scenarios${args}")
endfunction()

set(BROWNOUT_SERVICES_DIR ${PROJECT_BINARY_DIR}/services)
catalogue_test(smoke/demo fixed PASS)
catalogue_test(smoke/demo defective FAIL "latency.max" "goroutines.delta <= 5 at hold" "goroutines.delta <= 5 at settle")
catalogue_test(smoke/demo wrongfix FAIL "goroutines.delta <= 5 at hold" "goroutines.delta <= 5 at settle")
catalogue_test(timeouts/context-not-propagated fixed PASS)
catalogue_test(timeouts/context-not-propagated defective FAIL "latency.max" "goroutines.delta <= 5 at hold"
	"goroutines.leaked == 0 at hold" "goroutines.leaked == 0 at settle")
catalogue_test(timeouts/context-not-propagated wrongfix FAIL "goroutines.delta <= 5 at hold"
	"goroutines.delta <= 5 at settle" "goroutines.leaked == 0 at hold" "goroutines.leaked == 0 at settle")
catalogue_test(leaks/heartbeat-per-connection fixed PASS)
catalogue_test(leaks/heartbeat-per-connection defective FAIL "goroutines.count <= 220 in fault"
	"goroutines.count <= 20 at hold" "goroutines.count <= 20 at settle"
	"goroutines{site=\"feed.(*Service).stream\"} == 0 at hold" "goroutines{site=\"feed.(*Service).stream\"} == 0 at settle")
catalogue_test(leaks/heartbeat-per-connection wrongfix FAIL "goroutines.count <= 20 at hold"
	"goroutines{site=\"feed.(*Service).stream\"} == 0 at hold")
catalogue_test(memory/limit-ramp fixed PASS)
# Cornered, the service is OOM-killed or stuck at its limit: the kernel decides, and on cgroup v1 it may refuse the limit.
catalogue_test(memory/limit-ramp defective FAIL "memory.usage")
catalogue_test(memory/limit-ramp wrongfix FAIL "memory.usage")
catalogue_test(dependencies/half-open-connection fixed PASS)
catalogue_test(dependencies/half-open-connection defective FAIL "must errors.ratio <= 10% within 7s of fault")
catalogue_test(dependencies/half-open-connection wrongfix FAIL "must errors.ratio <= 10% within 7s of fault")
catalogue_test(network/slow-ramp fixed PASS)
catalogue_test(network/slow-ramp defective FAIL "errors.ratio{class=timeout} <= 5% in fault")
catalogue_test(network/slow-ramp wrongfix FAIL "errors.ratio{class=timeout} <= 5% in fault")
# That it takes a ramp: the same delay all at once passes the defect.
catalogue_test(network/slow-ramp defective PASS SET step)
catalogue_test(network/flapping-link fixed PASS)
catalogue_test(network/flapping-link fixed PASS SET random)
catalogue_test(network/flapping-link defective FAIL "goroutines.count <= 15 at hold" "goroutines.count <= 15 at settle")
catalogue_test(network/flapping-link wrongfix FAIL "errors.ratio <= 5% in fault")
catalogue_test(network/mobile-client fixed PASS)
catalogue_test(network/mobile-client defective FAIL "errors.ratio{load=desk} <= 3% in fault")
catalogue_test(network/mobile-client wrongfix FAIL "errors.count{load=phone} == 0 in fault")
catalogue_test(dependencies/name-server-fails fixed PASS)
catalogue_test(dependencies/name-server-fails defective FAIL "latency.max <= 1.25s in fault" "errors.ratio <= 2% in fault"
	"goroutines.peak <= base + 150 in fault")
catalogue_test(dependencies/name-server-fails wrongfix FAIL "errors.ratio <= 2% in fault")
catalogue_test(dependencies/second-statement-fails fixed PASS)
catalogue_test(dependencies/second-statement-fails defective FAIL "latency.max <= 1.25s in fault"
	"must errors.ratio <= 2% within 2s of fault" "goroutines.delta <= 10 at hold" "errors.ratio <= 5% in heal")
catalogue_test(dependencies/second-statement-fails wrongfix FAIL "must errors.ratio <= 2% within 2s of fault"
	"errors.ratio <= 5% in heal")
catalogue_test(dependencies/stale-pooled-connection fixed PASS)
catalogue_test(dependencies/stale-pooled-connection defective FAIL "errors.ratio <= 2% in fault")
catalogue_test(dependencies/stale-pooled-connection wrongfix FAIL "errors.ratio <= 2% in fault")
catalogue_test(dependencies/lost-answers fixed PASS)
catalogue_test(dependencies/lost-answers defective FAIL "errors.ratio{load=audit} == 0% in heal")
catalogue_test(dependencies/lost-answers wrongfix FAIL "errors.ratio{load=audit} == 0% in heal")
catalogue_test(timeouts/slow-body fixed PASS)
catalogue_test(timeouts/slow-body defective FAIL "latency.max <= 1.25s in fault" "goroutines.peak <= base + 250 in fault")
catalogue_test(timeouts/slow-body wrongfix FAIL "latency.max <= 1.25s in fault" "goroutines.peak <= base + 250 in fault")

# The demo once more where the kernel has netem and cgroup v2.  The guest is slow, so it is asked for less: fewer requests, longer
# phases, and more slack beyond the timeout (the defective build is three seconds late).
foreach(case "fixed PASS" "defective FAIL latency.max")
	separate_arguments(case)
	list(GET case 0 variant)
	brownout_uml_test(NAME catalogue.demo.${variant} TIMEOUT 180
		COMMAND ${CMAKE_COMMAND} -E env BROWNOUT=$<TARGET_FILE:brownout> SERVICES=${BROWNOUT_SERVICES_DIR}
			CATALOGUE=${PROJECT_SOURCE_DIR}/scenarios "ARGS=--driver netem --set slow=true --set rate=15 --set latest=2.5s"
			${CMAKE_CURRENT_SOURCE_DIR}/catalogue.sh smoke/demo ${case})
endforeach()
