# The Debian packages, all made by one call:
#
#   cpack -G DEB -B DIR --config build/CPackConfig.cmake
#
#   offloop          the daemons, offloop-codec, units, configuration, manual, documents
#   liboffloop0      the library, by its SONAME
#   liboffloop-dev   headers, pkg-config, archive, liboffloop(3)
#   python3-offloop  the client for Python
#   node-offloop     the client for node
#
# Each is a component of cpack, or a group of them. Those that begin with deb_ are installed
# by nothing else.
set(OFFLOOP_MAINTAINER "The offloop authors <offloop@localhost>" CACHE STRING
    "Who builds the packages, as Debian's control file names people")
set(deb EXCLUDE_FROM_ALL)

# Debian's folder for libraries depends on the processor, whatever a plain install has.
if(CMAKE_LIBRARY_ARCHITECTURE)
  set(deb_libdir lib/${CMAKE_LIBRARY_ARCHITECTURE})
else()
  set(deb_libdir lib)
endif()
install_liboffloop(${deb_libdir} deb_library deb_dev ${deb})
install(FILES ${OFFLOOP_LIBRARY_PAGE} DESTINATION share/man/man3 COMPONENT deb_dev ${deb})
install(DIRECTORY clients/python/src/offloop DESTINATION lib/python3/dist-packages
        COMPONENT deb_python ${deb} PATTERN __pycache__ EXCLUDE)
install(DIRECTORY clients/node/lib DESTINATION share/nodejs/offloop COMPONENT deb_node ${deb})
install(FILES clients/node/package.json DESTINATION share/nodejs/offloop COMPONENT deb_node
        ${deb})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME offloop)
set(CPACK_PACKAGE_VENDOR "The offloop authors")
set(CPACK_PACKAGE_CONTACT "${OFFLOOP_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
    GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each package has one of its own
set(CPACK_DEBIAN_PACKAGE_SOURCE offloop)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(debian ${CMAKE_SOURCE_DIR}/deploy/debian)
# Debian wants a changelog, compressed.
configure_file(deploy/debian/changelog.in ${OFFLOOP_GENERATED}/changelog @ONLY)
execute_process(COMMAND gzip -9nkf ${OFFLOOP_GENERATED}/changelog)

# deb_package(PACKAGE GROUP SECTION SUMMARY DESCRIPTION COMPONENTS…): one package; the last
# component also gets its copyright and changelog.
macro(deb_package package group section summary description)
  set(CPACK_DEBIAN_${group}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${group}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${group}_DESCRIPTION "${summary}\n${description}")
  foreach(component ${ARGN})
    string(TOUPPER ${component} upper)
    set(CPACK_COMPONENT_${upper}_GROUP ${group})
    list(APPEND CPACK_COMPONENTS_ALL ${component})
  endforeach()
  list(GET CPACK_COMPONENTS_ALL -1 component)
  install(FILES ${debian}/copyright ${OFFLOOP_GENERATED}/changelog.gz
          DESTINATION share/doc/${package} COMPONENT ${component} ${deb})
endmacro()

set(CPACK_COMPONENTS_ALL)
deb_package(offloop DAEMONS database "event-loop JSON document server that offloads its codec"
"offloop stores JSON documents in LMDB or Redis and serves them over HTTP. Its
event loop only moves bytes: JSON is parsed and printed by worker processes, so
that no document, however large, holds up the clients of the others.
.
This package has the server, the workers, a codec for the command line, systemd
units and the manual."
  Unspecified system)
set(CPACK_DEBIAN_DAEMONS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_DAEMONS_PACKAGE_DEPENDS "passwd, init-system-helpers (>= 1.52)")
set(CPACK_DEBIAN_DAEMONS_PACKAGE_RECOMMENDS "lmdb-utils, logrotate")
set(CPACK_DEBIAN_DAEMONS_PACKAGE_SUGGESTS "nginx, liboffloop-dev, python3-offloop, node-offloop")
set(CPACK_DEBIAN_DAEMONS_PACKAGE_CONTROL_EXTRA ${debian}/postinst ${debian}/prerm
    ${debian}/postrm ${debian}/conffiles)

set(about_clients
"Documents are decoded, changed, encoded and compressed by the worker processes
of offloop-worker, and not on the application's event loop.")
deb_package(liboffloop0 LIBRARY libs "JSON work off an event loop: C client of offloop-worker"
            "${about_clients}\n.\nThis package has the shared library." deb_library)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SUGGESTS offloop)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${debian}/triggers)

deb_package(liboffloop-dev DEV libdevel "JSON work off an event loop: headers of liboffloop"
            "${about_clients}\n.\nThis package has what programs in C are compiled and linked with." deb_dev)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "liboffloop0 (= ${PROJECT_VERSION}), libc6-dev")
# For programs that are linked with the archive.
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "libyajl-dev, libmsgpack-dev, zlib1g-dev, libzstd-dev")

deb_package(python3-offloop PYTHON python
            "JSON work off the event loop: client of offloop-worker (asyncio)"
            "${about_clients}" deb_python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "python3 (>= 3.8)")
set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS "offloop, liboffloop0")

deb_package(node-offloop NODE javascript
            "JSON work off the event loop: client of offloop-worker (node)"
            "${about_clients}" deb_node)
set(CPACK_DEBIAN_NODE_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_NODE_PACKAGE_DEPENDS "nodejs (>= 18)")
set(CPACK_DEBIAN_NODE_PACKAGE_RECOMMENDS offloop)
include(CPack)
