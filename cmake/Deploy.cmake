# The manual, completions and configuration files, generated from the option tables;
# what a system install and the Debian package add to the programs.
#
#   cmake --install build                        programs, library, manual, completion
#   cmake --install build --component system     units, users, /etc/offloop (as root)

file(GLOB generate_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/generate/*.c)
add_executable(offloop-generate ${generate_sources})
target_link_libraries(offloop-generate PRIVATE room_server room_worker)

# All symbols are bound at the start, and what binds them is read-only after.
foreach(program offloop-server offloop-worker offloop-codec)
  target_link_options(${program} PRIVATE -Wl,-z,relro,-z,now)
endforeach()

set(OFFLOOP_GENERATED ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${OFFLOOP_GENERATED})
set(generated_files)

# generated(OUTPUT_VARIABLE TEMPLATE): the template without ".in", filled in.
function(generated path_variable template)
  get_filename_component(name ${template} NAME)
  string(REGEX REPLACE "\\.in$" "" name ${name})
  set(path ${OFFLOOP_GENERATED}/${name})
  add_custom_command(OUTPUT ${path}
    COMMAND offloop-generate ${CMAKE_SOURCE_DIR}/${template} ${path}
    DEPENDS offloop-generate ${CMAKE_SOURCE_DIR}/${template} VERBATIM)
  set(${path_variable} ${path} PARENT_SCOPE)
endfunction()

foreach(page offloop-server.8 offloop-worker.8 offloop-codec.1 offloop.conf.5 liboffloop.3)
  generated(path docs/man/${page}.in)
  string(REGEX REPLACE ".*\\." "" section ${page})
  add_custom_command(OUTPUT ${path}.gz COMMAND gzip -9nkf ${path} DEPENDS ${path} VERBATIM)
  list(APPEND generated_files ${path} ${path}.gz)
  if(section STREQUAL 3)
    set(OFFLOOP_LIBRARY_PAGE ${path}.gz)
    install(FILES ${path}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 COMPONENT dev)
  else()
    install(FILES ${path}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endif()
endforeach()

generated(bash docs/completion/offloop.bash.in)
generated(zsh docs/completion/_offloop.in)
list(APPEND generated_files ${bash} ${zsh})
foreach(program offloop-server offloop-worker offloop-codec)
  install(FILES ${bash} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
          RENAME ${program})
endforeach()
set(OFFLOOP_ZSH_DIR ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions CACHE STRING
    "Where zsh looks for completions")
install(FILES ${zsh} DESTINATION ${OFFLOOP_ZSH_DIR})

foreach(daemon server worker)
  generated(path deploy/${daemon}.conf.in)
  list(APPEND generated_files ${path})
  install(FILES ${path} DESTINATION /etc/offloop COMPONENT system EXCLUDE_FROM_ALL)
endforeach()
add_custom_target(generated_files ALL DEPENDS ${generated_files})

set(system COMPONENT system EXCLUDE_FROM_ALL)
install(FILES deploy/offloop-server.service deploy/offloop-worker.service
        deploy/offloop-server.socket deploy/offloop-worker.socket
        DESTINATION lib/systemd/system ${system})
install(FILES deploy/offloop.sysusers DESTINATION lib/sysusers.d RENAME offloop.conf ${system})
install(FILES deploy/offloop.tmpfiles DESTINATION lib/tmpfiles.d RENAME offloop.conf ${system})
install(FILES deploy/offloop.logrotate DESTINATION /etc/logrotate.d RENAME offloop ${system})
install(FILES deploy/nginx.conf deploy/remote-workers.conf
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples ${system})
