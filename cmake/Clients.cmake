# The clients for Python and node: in every install below share/offloop/clients, where a path
# finds them; and as Debian packages of their own, where their languages look:
#
#   cpack -G DEB -B DIR --config build/CPackPython.cmake     python3-offloop
#   cpack -G DEB -B DIR --config build/CPackNode.cmake       node-offloop
set(clients ${CMAKE_INSTALL_DATADIR}/offloop/clients)
install(DIRECTORY clients/python/src/offloop DESTINATION ${clients}/python
        PATTERN __pycache__ EXCLUDE)
install(DIRECTORY clients/node/lib DESTINATION ${clients}/node)
install(FILES clients/node/package.json DESTINATION ${clients}/node)
# With the documents that speak of them.
install(FILES clients/python/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/clients/python)
install(FILES clients/node/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/clients/node)
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
        PATTERN __pycache__ EXCLUDE)

set(python COMPONENT python EXCLUDE_FROM_ALL)
install(DIRECTORY clients/python/src/offloop DESTINATION lib/python3/dist-packages ${python}
        PATTERN __pycache__ EXCLUDE)
install(FILES deploy/debian/copyright DESTINATION share/doc/python3-offloop ${python})
set(node COMPONENT node EXCLUDE_FROM_ALL)
install(DIRECTORY clients/node/lib DESTINATION share/nodejs/offloop ${node})
install(FILES clients/node/package.json DESTINATION share/nodejs/offloop ${node})
install(FILES deploy/debian/copyright DESTINATION share/doc/node-offloop ${node})

# client_package(COMPONENT FILE PACKAGE SECTION DEPENDS SUMMARY)
function(client_package component file package section depends summary)
  configure_file(cmake/CPackClient.cmake.in ${CMAKE_BINARY_DIR}/${file} @ONLY)
endfunction()
client_package(python CPackPython.cmake python3-offloop python "python3 (>= 3.8)"
               "JSON work off the event loop: client of offloop-worker (asyncio)")
client_package(node CPackNode.cmake node-offloop javascript "nodejs (>= 18)"
               "JSON work off the event loop: client of offloop-worker (node)")
