# The completions are made from what pcopy prints for --help, so from the one table of options. Below
# share/ in the build directory they lie as they do where they are installed.
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  message(WARNING "There will be no completions: to make them pcopy is run, for which a cross build "
                  "needs CMAKE_CROSSCOMPILING_EMULATOR.")
  return()
endif()

find_program(AWK awk REQUIRED)
set(help ${PROJECT_BINARY_DIR}/share/help)
add_custom_command(OUTPUT ${help}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/share
  COMMAND pcopy --help > ${help}
  DEPENDS pcopy VERBATIM)

set(completions)
function(pcopy_completion shell dir name)
  set(script ${PROJECT_SOURCE_DIR}/scripts/completions.awk)
  set(file ${PROJECT_BINARY_DIR}/share/${dir}/${name})
  add_custom_command(OUTPUT ${file}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/share/${dir}
    COMMAND ${AWK} -v shell=${shell} -f ${script} < ${help} > ${file}
    DEPENDS ${help} ${script} VERBATIM)
  install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/${dir})
  list(APPEND completions ${file})
  set(completions ${completions} PARENT_SCOPE)
endfunction()

pcopy_completion(bash bash-completion/completions pcopy)
pcopy_completion(zsh zsh/site-functions _pcopy)
pcopy_completion(fish fish/vendor_completions.d pcopy.fish)
add_custom_target(completions ALL DEPENDS ${completions})
