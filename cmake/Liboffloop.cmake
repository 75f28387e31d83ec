# liboffloop: the C client of the job socket, clients/c. Shared and static, with nothing to
# be seen but what offloop.h names: the same sources as the daemons have, for themselves.
file(GLOB client_sources CONFIGURE_DEPENDS clients/c/*.c common/base/*.c common/codec/*.c
     common/codec/msgpack/*.c common/codec/number/*.c common/codec/operations/*.c common/codec/jq/*.c common/codec/jq/*/*.c
     common/codec/coding/*.c common/codec/yajl/*.c common/codec/direct/*.c
     common/loop/cpu_yield.c common/loop/background_free.c proto/wire.c proto/wire_decode.c proto/envelope.c proto/frame.c proto/call_options.c)
list(FILTER client_sources EXCLUDE REGEX "/base/(blob|file)\\.c$")
add_library(offloop_objects OBJECT ${client_sources})
set_target_properties(offloop_objects PROPERTIES POSITION_INDEPENDENT_CODE ON
                      C_VISIBILITY_PRESET hidden)
set(client_libraries PkgConfig::NETTLE PkgConfig::YAJL ${MSGPACK_LIBRARY} ZLIB::ZLIB Threads::Threads m)
get_filename_component(msgpack_name ${MSGPACK_LIBRARY} NAME_WE)
string(REGEX REPLACE "^lib" "" msgpack_name ${msgpack_name})
set(OFFLOOP_PKG_LIBS "-lnettle -lyajl -l${msgpack_name} -lz")
if(OFFLOOP_ZSTD AND ZSTD_FOUND)
  list(APPEND client_libraries PkgConfig::ZSTD)
  string(APPEND OFFLOOP_PKG_LIBS " -lzstd")
  target_compile_definitions(offloop_objects PRIVATE OFFLOOP_HAS_ZSTD)
endif()
string(APPEND OFFLOOP_PKG_LIBS " -lm -pthread")
target_link_libraries(offloop_objects PUBLIC ${client_libraries})

# The number changes with what a program that is linked with it could notice.
add_library(liboffloop SHARED $<TARGET_OBJECTS:offloop_objects>)
set_target_properties(liboffloop PROPERTIES OUTPUT_NAME offloop SOVERSION 0
                      VERSION 0.${PROJECT_VERSION} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
target_link_libraries(liboffloop PRIVATE ${client_libraries})
target_link_options(liboffloop PRIVATE -Wl,-z,relro,-z,now,--as-needed)
if(NOT OFFLOOP_ASAN AND NOT OFFLOOP_TSAN AND NOT OFFLOOP_FUZZERS)
  target_link_options(liboffloop PRIVATE -Wl,-z,defs) # the sanitizers' are the program's
endif()
target_include_directories(liboffloop INTERFACE ${CMAKE_SOURCE_DIR}/clients/c)

# The archive is one object whose inner names cannot meet those of a program.
set(archive ${CMAKE_BINARY_DIR}/liboffloop.a)
add_custom_command(OUTPUT ${archive}
  COMMAND ${CMAKE_LINKER} -r -o offloop-whole.o $<TARGET_OBJECTS:offloop_objects>
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden offloop-whole.o
  COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
  COMMAND ${CMAKE_AR} rcs ${archive} offloop-whole.o
  DEPENDS offloop_objects $<TARGET_OBJECTS:offloop_objects> COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(liboffloop_static ALL DEPENDS ${archive})

# install_liboffloop(LIBDIR LIBRARY DEV [EXCLUDE_FROM_ALL]): the library in that folder below
# the prefix, as component LIBRARY, and what a compiler needs as component DEV.
function(install_liboffloop libdir library dev)
  # Its place tells the prefix: packages have another one than the build tree.
  file(RELATIVE_PATH OFFLOOP_PKG_UP /prefix/${libdir}/pkgconfig /prefix)
  set(OFFLOOP_PKG_LIBDIR ${libdir})
  configure_file(clients/c/offloop.pc.in ${CMAKE_BINARY_DIR}/${dev}/offloop.pc @ONLY)
  install(TARGETS liboffloop LIBRARY DESTINATION ${libdir} COMPONENT ${library} ${ARGN}
          NAMELINK_COMPONENT ${dev})
  install(FILES ${archive} DESTINATION ${libdir} COMPONENT ${dev} ${ARGN})
  install(FILES ${CMAKE_BINARY_DIR}/${dev}/offloop.pc DESTINATION ${libdir}/pkgconfig
          COMPONENT ${dev} ${ARGN})
  install(FILES clients/c/offloop.h clients/c/offloop_libev.h clients/c/offloop_libuv.h
          clients/c/offloop_libevent.h clients/c/offloop_poll.h
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT ${dev} ${ARGN})
endfunction()
install_liboffloop(${CMAKE_INSTALL_LIBDIR} library dev)
