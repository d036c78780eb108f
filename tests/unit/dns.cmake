# SPDX-License-Identifier: Apache-2.0
# Names: the lab's name server, and the faults on it.
brownout_unit_test(test_lab_dns LIBS lab)
target_include_directories(test_lab_dns PRIVATE ${PROJECT_SOURCE_DIR}/src/lab)
target_link_libraries(test_lab_dns PRIVATE resolv)
brownout_unit_test(test_fault_dns LIBS fault SOURCES fault_fake.c fault_rig.c)
target_include_directories(test_fault_dns PRIVATE ${PROJECT_SOURCE_DIR}/src/fault)
