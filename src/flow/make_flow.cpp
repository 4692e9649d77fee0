#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <string_view>

#include "core/nearest.hpp"
#include "flow/flow.hpp"
#include "flow/fused_flow.hpp"
#include "flow/threaded_flow.hpp"

namespace faceflow::flow {

result<std::unique_ptr<flow>> make_flow(const flow_parts& parts) {
    const std::string& wanted = parts.chosen.flow;
    if (wanted == "fused") return make_fused_flow(parts);
    if (wanted == "threaded") return make_threaded_flow(parts);
    const std::array<std::string, 2> known{"fused", "threaded"};
    const auto near = nearest(wanted, known);
    return fail(errc::invalid_argument,
                fmt::format("unknown flow '{}'{}; there are: {}", wanted,
                            near.empty() ? "" : fmt::format("; did you mean {}?", near), fmt::join(known, ", ")));
}

}  // namespace faceflow::flow
