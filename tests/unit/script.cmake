# SPDX-License-Identifier: Apache-2.0
include(EmbedFile)
brownout_unit_test(test_base_nearest LIBS base)
brownout_unit_test(test_script_url LIBS script)
target_include_directories(test_script_url PRIVATE ${PROJECT_SOURCE_DIR}/src/script)
foreach(name attach plan sandbox require limits)
	brownout_unit_test(test_script_${name} LIBS script SOURCES test_script_support.c)
	brownout_embed(test_script_${name} ${PROJECT_SOURCE_DIR}/harness/prelude.lua bo_prelude_lua)
endforeach()
