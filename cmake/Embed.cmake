# offloop_embed(SOURCE FILE...): SOURCE builds these files into itself (common/base/embed.h).
function(offloop_embed source)
  set(files ${ARGN})
  list(TRANSFORM files PREPEND ${CMAKE_SOURCE_DIR}/)
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${files}"
                              COMPILE_OPTIONS "-Wa,-I${CMAKE_SOURCE_DIR}")
endfunction()
