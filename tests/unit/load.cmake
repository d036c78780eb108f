# SPDX-License-Identifier: Apache-2.0
set(load_support ${PROJECT_SOURCE_DIR}/tests/support)
brownout_unit_test(test_load_http1 LIBS load)
brownout_unit_test(test_load_schedule LIBS load)
foreach(name requests failures open_loop hold clients)
	brownout_unit_test(test_load_${name} LIBS load SOURCES test_load_support.c TIMEOUT 120)
endforeach()
brownout_unit_test(test_load_h2 LIBS load SOURCES test_load_support.c ${load_support}/h2d.c TIMEOUT 120)
target_include_directories(test_load_h2 PRIVATE ${load_support})
brownout_unit_test(test_load_tls LIBS load
	SOURCES test_load_support.c ${load_support}/h2d.c ${load_support}/testcert.c TIMEOUT 120)
target_include_directories(test_load_tls PRIVATE ${load_support})
brownout_unit_test(test_model_template LIBS model)
target_include_directories(test_load_clients PRIVATE ${PROJECT_SOURCE_DIR}/src/load)
