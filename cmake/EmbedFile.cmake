# SPDX-License-Identifier: Apache-2.0
# brownout_embed(TARGET FILE SYMBOL) - compile FILE into TARGET as
#	const char SYMBOL[] (with a terminating NUL) and const size_t SYMBOL_len (without it).
# Run as a script (cmake -DIN=… -DOUT=… -DSYMBOL=… -P EmbedFile.cmake) this file does the conversion itself.
if(CMAKE_SCRIPT_MODE_FILE)
	file(READ "${IN}" hex HEX)
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "(................................................................................)"
		"\\1\n" bytes "${bytes}")
	get_filename_component(name "${IN}" NAME)
	file(WRITE "${OUT}" "/* Made from ${name}. */\n#include <stddef.h>\n\n"
		"extern const char ${SYMBOL}[];\nextern const size_t ${SYMBOL}_len;\n"
		"const char ${SYMBOL}[] = {\n${bytes}\n0x00 };\n"
		"const size_t ${SYMBOL}_len = sizeof(${SYMBOL}) - 1;\n")
	return()
endif()

set(BROWNOUT_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_FILE}" CACHE INTERNAL "")

function(brownout_embed target file symbol)
	get_filename_component(in "${file}" ABSOLUTE)
	set(out "${CMAKE_CURRENT_BINARY_DIR}/${target}_${symbol}.c")
	add_custom_command(OUTPUT "${out}" DEPENDS "${in}" "${BROWNOUT_EMBED_SCRIPT}" VERBATIM
		COMMAND ${CMAKE_COMMAND} -DIN=${in} -DOUT=${out} -DSYMBOL=${symbol} -P "${BROWNOUT_EMBED_SCRIPT}")
	target_sources(${target} PRIVATE "${out}")
endfunction()
