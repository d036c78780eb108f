# SPDX-License-Identifier: Apache-2.0
# The tier "uml": tests that need a kernel which the machine may not have (sch_netem, cgroup v2 without v1), run under
# user-mode Linux by tests/support/uml.sh.  They skip where Debian's packages for it are missing; BROWNOUT_REQUIRE_TIERS
# turns that into a failure (docs/testing.md).

# brownout_uml_test(NAME name COMMAND command [arg ...] [TIMEOUT seconds] [MEMORY 1G] [MODULES module ...] [LABELS label ...])
# - run a command in a guest of its own, as root, in the build folder
function(brownout_uml_test)
	cmake_parse_arguments(arg "" "NAME;TIMEOUT;MEMORY" "COMMAND;MODULES;LABELS" ${ARGN})
	if(NOT arg_NAME OR NOT arg_COMMAND OR arg_UNPARSED_ARGUMENTS)
		message(FATAL_ERROR "brownout_uml_test: NAME and COMMAND are needed; not understood: ${arg_UNPARSED_ARGUMENTS}")
	endif()
	if(NOT arg_TIMEOUT)
		set(arg_TIMEOUT 120)
	endif()
	if(NOT arg_MEMORY)
		set(arg_MEMORY 1G)
	endif()
	set(labels uml ${arg_LABELS})
	set(options -t ${arg_TIMEOUT} -m ${arg_MEMORY})
	foreach(module ${arg_MODULES})
		list(APPEND options -l ${module})
	endforeach()
	add_test(NAME uml.${arg_NAME}
		COMMAND ${PROJECT_SOURCE_DIR}/tests/support/uml.sh ${options} -- ${arg_COMMAND})
	# uml.sh has its own limit, which says more than ctest's; ctest's is for the day when that fails.
	math(EXPR limit "${arg_TIMEOUT} + 30")
	set_tests_properties(uml.${arg_NAME} PROPERTIES LABELS "${labels}" TIMEOUT ${limit} SKIP_RETURN_CODE 77)
endfunction()
