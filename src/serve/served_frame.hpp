// SPDX-License-Identifier: Apache-2.0
// A frame of a source with its faces, as the service hands it to all who want it.
#pragma once

#include <memory>
#include <string>

#include "faceflow/types.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::internal::serve {

// Its pixels live as long as this.
struct served_frame {
    std::string source;
    host_frame frame;
    frame_faces faces;
    std::shared_ptr<const std::string> row;  // as a line of faces.ndjson, without the end of line
};
using frame_pointer = std::shared_ptr<const served_frame>;

}  // namespace faceflow::internal::serve
