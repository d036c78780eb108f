# SPDX-License-Identifier: Apache-2.0
# What the wire does with packets: chance, stations, flows, damage; and the impairment that says so.
foreach(name chance fate flow damage)
	brownout_unit_test(test_lab_wire_${name} LIBS lab SOURCES wire_build.c)
	target_include_directories(test_lab_wire_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src/lab ${PROJECT_SOURCE_DIR}/tests/support)
endforeach()
brownout_unit_test(test_lab_wire_stamp LIBS lab)
brownout_unit_test(test_lab_wire_stamp_net LIBS lab SOURCES wire_netns.c)
foreach(name stamp stamp_net)
	target_include_directories(test_lab_wire_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src/lab)
endforeach()
brownout_unit_test(test_lab_wire_model_net LIBS lab SOURCES wire_netns.c)
brownout_unit_test(test_model_impair LIBS model)
