// SPDX-License-Identifier: Apache-2.0
// Generates the tables of docs/output.md and the schema of faces.ndjson, from media/face_fields.hpp and
// media/event_fields.hpp.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace faceflow::internal::media {

// Markdown tables; each ends with a newline.
[[nodiscard]] std::string table_of_frame_keys();
[[nodiscard]] std::string table_of_face_keys();
[[nodiscard]] std::string table_of_columns();
[[nodiscard]] std::string table_of_event_columns();

// The number of columns of faces.csv.
[[nodiscard]] std::size_t column_count();

// JSON Schema (draft 2020-12) of a line of faces.ndjson.
[[nodiscard]] nlohmann::ordered_json faces_schema();
// The text of docs/schema/faces.schema.json.
[[nodiscard]] std::string faces_schema_text();

}  // namespace faceflow::internal::media
