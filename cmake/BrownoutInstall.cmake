# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts beside the program: man pages, bash completion, the catalogue, the licence.
# The program itself is installed by harness/.
install(FILES docs/man/brownout.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES docs/man/brownout-scenario.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES harness/brownout.bash-completion DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
	RENAME brownout)
install(DIRECTORY scenarios DESTINATION ${CMAKE_INSTALL_DATADIR}/brownout
	FILES_MATCHING PATTERN "*.lua" PATTERN "*.trace" PATTERN "*.md")
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
