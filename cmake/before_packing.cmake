# CPack runs this on the tree that it is about to pack.
set(usr ${CPACK_TEMPORARY_INSTALL_DIRECTORY}${CPACK_PACKAGING_INSTALL_PREFIX})
# Directories are as the umask has made them.
file(CHMOD_RECURSE ${CPACK_TEMPORARY_INSTALL_DIRECTORY} DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

if(CPACK_GENERATOR STREQUAL "DEB")
  # Debian's zsh looks into site-functions below /usr/local only. (A cross build may have none.)
  if(EXISTS ${usr}/share/zsh/site-functions)
    file(RENAME ${usr}/share/zsh/site-functions ${usr}/share/zsh/vendor-completions)
  endif()
  file(RENAME ${usr}/share/doc/pcopy/LICENSE ${usr}/share/doc/pcopy/copyright)
  execute_process(COMMAND gzip -9n ${usr}/share/man/man1/pcopy.1 COMMAND_ERROR_IS_FATAL ANY)
endif()
