// SPDX-License-Identifier: Apache-2.0
// The formats in which a run can write faces and events.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/output_file.hpp"
#include "faceflow/result.hpp"
#include "media/record_reader.hpp"
#include "media/result_writer.hpp"

namespace faceflow::internal::media {

struct row_format {
    std::string_view name;  // the value for --format
    std::string_view file;  // file name in the run's folder
    bool usual;             // written by default
    bool of_faces;          // its rows are faces; else they are events, and most frames have none
    result<std::unique_ptr<result_writer>> (*make)(const std::filesystem::path& path, output_options options,
                                                   const row_contents& of);
    whole_rows (*find_whole)(int descriptor);
};

// To add a format, add a source file with its writer, declared in media/result_writer.hpp, and a row in
// row_formats.cpp.
[[nodiscard]] std::vector<const row_format*> all_formats();
[[nodiscard]] std::vector<const row_format*> usual_formats();

// "ndjson,csv,events"
[[nodiscard]] std::string join_names(std::span<const row_format* const> formats, std::string_view separator);

// Without duplicates, in the order of all_formats. errc::invalid_argument for an unknown name.
[[nodiscard]] result<std::vector<const row_format*>> choose_formats(std::span<const std::string> names);

// Null if no format uses this file name.
[[nodiscard]] const row_format* format_of_file(std::string_view name) noexcept;

}  // namespace faceflow::internal::media
