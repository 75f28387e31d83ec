# The clients for Python and node, below share/offloop/clients, where a path finds them. (As
# Debian packages they are where their languages look: cmake/Packages.cmake.)
set(clients ${CMAKE_INSTALL_DATADIR}/offloop/clients)
install(DIRECTORY clients/python/src/offloop DESTINATION ${clients}/python COMPONENT clients
        PATTERN __pycache__ EXCLUDE)
install(DIRECTORY clients/node/lib DESTINATION ${clients}/node COMPONENT clients)
install(FILES clients/node/package.json DESTINATION ${clients}/node COMPONENT clients)
# With the documents that speak of them, and of the one for C.
install(FILES clients/c/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/clients/c)
install(FILES clients/python/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/clients/python)
install(FILES clients/node/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/clients/node)
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
        PATTERN __pycache__ EXCLUDE)
