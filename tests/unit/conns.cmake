# SPDX-License-Identifier: Apache-2.0
# Faults on connections: packets taken apart, rules, and rules between real sockets.
brownout_unit_test(test_lab_wire_packet LIBS lab SOURCES wire_packets.c)
brownout_unit_test(test_lab_wire_rules LIBS lab SOURCES wire_packets.c wire_rules_rig.c)
brownout_unit_test(test_lab_wire_bytes LIBS lab SOURCES wire_packets.c wire_rules_rig.c)
brownout_unit_test(test_lab_wire_forge LIBS lab SOURCES wire_build.c)
foreach(name packet rules bytes forge)
	target_include_directories(test_lab_wire_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src/lab)
endforeach()
brownout_unit_test(test_lab_wire_conns_net LIBS lab SOURCES wire_netns.c)
brownout_unit_test(test_lab_wire_matrix_net LIBS fault lab SOURCES wire_netns.c fault_fake.c)
target_include_directories(test_lab_wire_matrix_net PRIVATE ${PROJECT_SOURCE_DIR}/src/fault)
brownout_unit_test(test_fault_conn LIBS fault SOURCES fault_fake.c fault_rig.c)
target_include_directories(test_fault_conn PRIVATE ${PROJECT_SOURCE_DIR}/src/fault)
