# SPDX-License-Identifier: Apache-2.0
# The sources are compiled in, so that they are instrumented for coverage; Lua itself is the system's library.
include(EmbedFile)
set(dir ${PROJECT_SOURCE_DIR}/src/script)
add_executable(fuzz_script fuzz_script.c ${PROJECT_SOURCE_DIR}/harness/scenario.c ${PROJECT_SOURCE_DIR}/harness/override.c ${dir}/bind_arrivals.c ${dir}/bind_fault.c ${dir}/bind_load.c
	${dir}/bind_node.c ${dir}/bind_record.c ${dir}/bind_request.c ${dir}/bind_scenario.c ${dir}/finish.c ${dir}/read.c ${dir}/require.c ${dir}/sandbox.c
	${dir}/script.c ${dir}/url.c)
brownout_embed(fuzz_script ${PROJECT_SOURCE_DIR}/harness/prelude.lua bo_prelude_lua)
target_include_directories(fuzz_script PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(fuzz_script PRIVATE bo_fault bo_slo bo_model bo_base PkgConfig::lua5_4)
target_compile_options(fuzz_script PRIVATE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all)
target_link_options(fuzz_script PRIVATE -fsanitize=fuzzer,address,undefined)
