# SPDX-License-Identifier: Apache-2.0
# Impairments and faults: netem and TUN, the userspace wire, link probes, the kinds of faults.
brownout_unit_test(test_sys_netem LIBS sys)
brownout_unit_test(test_sys_tun LIBS sys SOURCES wire_netns.c)
brownout_unit_test(test_lab_wire LIBS lab)
brownout_unit_test(test_lab_wire_net LIBS lab SOURCES wire_netns.c TIMEOUT 120)
brownout_unit_test(test_lab_linkprobe LIBS lab SOURCES wire_netns.c)
foreach(name test_lab_wire test_lab_linkprobe)
	target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src/lab)
endforeach()
foreach(name schema judge link process memory)
	brownout_unit_test(test_fault_${name} LIBS fault SOURCES fault_fake.c)
	target_include_directories(test_fault_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src/fault)
endforeach()
