# SPDX-License-Identifier: Apache-2.0
# Writes a C++ source with files in it: cmake -DOUT=files.cpp -DFILES=PATH|TYPE|FILE;... -P embed.cmake
set(table "")
set(arrays "")
set(number 0)
foreach(entry ${FILES})
    string(REPLACE "|" ";" parts "${entry}")
    list(GET parts 0 path)
    list(GET parts 1 type)
    list(GET parts 2 file)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND arrays "constexpr unsigned char file${number}[] = {${bytes}0};\n")
    string(APPEND table "    {\"${path}\", \"${type}\", text(file${number}, sizeof file${number} - 1)},\n")
    math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT}.new "// Made by cmake/embed.cmake.
#include \"serve/files.hpp\"

#include <algorithm>
#include <iterator>

namespace faceflow::internal::serve {
namespace {

${arrays}
std::string_view text(const unsigned char* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

const served_file files[] = {
${table}};

}  // namespace

const served_file* find_file(std::string_view path) {
    const auto* const at = std::find_if(std::begin(files), std::end(files), [&](const served_file& f) { return f.path == path; });
    return at == std::end(files) ? nullptr : at;
}

}  // namespace faceflow::internal::serve
")
file(RENAME ${OUT}.new ${OUT})
