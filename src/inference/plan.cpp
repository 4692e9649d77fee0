// SPDX-License-Identifier: Apache-2.0
#include "inference/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/printable.hpp"
#include "core/try.hpp"
#include "inference/plan_check.hpp"

namespace faceflow::internal::inference {
namespace fs = std::filesystem;
namespace {

using json = nlohmann::json;

constexpr std::string_view plan_magic = "ffplan1\n";
constexpr std::size_t plan_header = 16, plan_alignment = 64;
constexpr std::size_t longest_text = 1 << 20, deepest_text = 8;
constexpr std::uintmax_t largest_plan = std::uintmax_t{1} << 30;

// The nesting depth of brackets: a parser needs a tree of that depth.
std::size_t depth_of(std::string_view text) {
    std::size_t depth = 0, most = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted && c == '\\') ++i;
        if (c == '"') quoted = !quoted;
        if (quoted) continue;
        if (c == '[' || c == '{') most = std::max(most, ++depth);
        if ((c == ']' || c == '}') && depth > 0) --depth;
    }
    return most;
}

// Reads fields of objects. The first error stays in problem(); values read after it are meaningless.
class field_reader {
public:
    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] bool sound() const { return problem_.empty(); }

    void wrong(std::string what) {
        if (sound()) problem_ = std::move(what);
    }

    // Prepends the location to the error.
    void within(std::string_view where) { problem_ = fmt::format("{}: {}", where, problem_); }

    // JSON null if there is none.
    const json& find(const json& object, const char* key) const {
        static const json none;
        if (!object.is_object()) return none;
        const auto at = object.find(key);
        return at == object.end() ? none : *at;
    }

    const json& need(const json& object, const char* key, bool (json::*kind)() const noexcept, const char* what) {
        const json& value = find(object, key);
        if (!(value.*kind)()) wrong(fmt::format("'{}' must be {}", key, what));
        return value;
    }

    std::int64_t integer(const json& value, const char* key) {
        // Both kinds of integer; one beyond 64 bits is parsed as a fraction, and refused here.
        const bool fits = value.is_number_integer() &&
                          !(value.is_number_unsigned() &&
                            value.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()});
        if (fits) return value.get<std::int64_t>();
        wrong(fmt::format("'{}' must be an integer", key));
        return 0;
    }

    void take(const json& object, const char* key, std::int32_t& to) {
        const auto value = integer(find(object, key), key);
        to = static_cast<std::int32_t>(value);
        if (to != value) wrong(fmt::format("'{}' is {}", key, value));
    }

    void take(const json& object, const char* key, float& to) {
        const json& value = need(object, key, &json::is_number, "a number");
        if (value.is_number()) to = static_cast<float>(value.get<double>());
        if (!std::isfinite(to)) wrong(fmt::format("'{}' is not a finite number", key));
    }

    void take(const json& object, const char* key, std::string& to) {
        const json& value = need(object, key, &json::is_string, "a text");
        if (value.is_string()) to = value.get_ref<const std::string&>();
    }

    void take(const json& object, const char* key, plan_slice& to) { slice(find(object, key), key, to); }

    void take(const json& object, const char* key, bool& to) {
        const json& value = need(object, key, &json::is_boolean, "true or false");
        if (value.is_boolean()) to = value.get<bool>();
    }

    // Leaves `to` unchanged if there is none.
    template <class T>
    void take_any(const json& object, const char* key, T& to) {
        if (object.is_object() && object.contains(key)) take(object, key, to);
    }

    template <class T, std::size_t N>
    void choose(const json& object, const char* key, const std::array<std::pair<std::string_view, T>, N>& of, T& to) {
        std::string name;
        take(object, key, name);
        const auto at = std::find_if(of.begin(), of.end(), [&](const auto& choice) { return choice.first == name; });
        if (at == of.end()) return wrong(fmt::format("there is no {} '{}'", key, printable(name, 40)));
        to = at->second;
    }

    void slice(const json& value, const char* key, plan_slice& to) {
        if (!value.is_array() || value.size() != 2) return wrong(fmt::format("'{}' must be [offset, length]", key));
        to = {integer(value[0], key), integer(value[1], key)};
        if (to.offset < 0 || to.length < 0) wrong(fmt::format("'{}' is [{}, {}]", key, to.offset, to.length));
    }

    template <class T, class Read>
    void list(const json& object, const char* key, std::vector<T>& to, Read read) {
        for (const auto& value : need(object, key, &json::is_array, "a list")) {
            if (!sound()) return;
            read(value, to.emplace_back());
        }
    }

private:
    std::string problem_;
};

constexpr std::array<std::pair<std::string_view, activation>, 3> activations{
    {{"none", activation::none}, {"relu", activation::relu}, {"prelu", activation::prelu}}};
constexpr std::array<std::pair<std::string_view, joining>, 4> joinings{{{"same", joining::same},
                                                                        {"pooled", joining::pooled},
                                                                        {"doubled", joining::doubled},
                                                                        {"smoothed", joining::smoothed}}};

void read_step(field_reader& r, const json& j, plan_convolution& c) {
    r.take(j, "x", c.x);
    r.take(j, "y", c.y);
    r.take(j, "into", c.into);
    r.take(j, "kernel", c.kernel);
    r.take(j, "stride", c.stride);
    r.take(j, "pad", c.pad);
    r.take(j, "inputs", c.inputs);
    r.take(j, "outputs", c.outputs);
    r.take(j, "weights", c.weights);
    r.take(j, "bias", c.bias);
    r.choose(j, "act", activations, c.act);
    r.take_any(j, "pool_first", c.pool_first);
    r.take_any(j, "depthwise", c.depthwise);
    r.take_any(j, "depthwise_relu", c.depthwise_relu);
    r.take_any(j, "depthwise_weights", c.depthwise_weights);
    r.take_any(j, "depthwise_bias", c.depthwise_bias);
    r.take_any(j, "slopes", c.slopes);
    if (!j.contains("join")) return;
    r.choose(j, "join", joinings, c.join);
    r.take(j, "joined", c.joined);
    r.take(j, "joined_first", c.joined_first);
}

void read_step(field_reader& r, const json& j, plan_head& h) {
    r.take(j, "x", h.x);
    r.take(j, "inputs", h.inputs);
    r.take(j, "outputs", h.outputs);
    r.take(j, "weights", h.weights);
    r.take(j, "bias", h.bias);
    r.list(j, "parts", h.parts, [&](const json& part, plan_head::part& to) {
        r.take(part, "name", to.name);
        r.take(part, "y", to.y);
        r.take(part, "channels", to.channels);
        r.take_any(part, "interleaved", to.interleaved);
        r.take_any(part, "pairs", to.pairs);
    });
}

void read_step(field_reader& r, const json& j, plan_dense& d) {
    r.take(j, "x", d.x);
    r.take(j, "y", d.y);
    r.take(j, "inputs", d.inputs);
    r.take(j, "outputs", d.outputs);
    r.take(j, "weights", d.weights);
    r.take(j, "bias", d.bias);
}

void read_step(field_reader& r, const json& j, plan_attention& a) {
    r.take(j, "x", a.x);
    r.take(j, "base", a.base);
    r.take(j, "transforms", a.transforms);
    r.take(j, "side", a.side);
    r.take(j, "margin", a.margin);
    r.take(j, "grid", a.grid);
    r.list(j, "heads", a.heads, [&](const json& head, plan_attention::head& to) {
        r.take(head, "y", to.y);
        r.take(head, "from", to.from);
        r.take(head, "to", to.to);
        r.take(head, "spans", to.spans);
    });
}

void read_step(field_reader& r, const json& j, plan_landmarks& l) {
    r.take(j, "base", l.base);
    r.take(j, "transforms", l.transforms);
    r.take(j, "landmarks", l.landmarks);
    r.take(j, "score", l.score);
    r.list(j, "heads", l.heads, [&](const json& head, plan_landmarks::refined& to) {
        r.take(head, "x", to.x);
        r.take(head, "head", to.head);
        r.take(head, "targets", to.targets);
    });
    r.take(j, "rest", l.rest);
    const json& iris = r.need(j, "iris", &json::is_array, "a list");
    if (iris.size() != l.iris.size()) return r.wrong("'iris' must have two entries");
    for (std::size_t i = 0; i < l.iris.size(); ++i)
        r.slice(iris[i], "iris", l.iris[i]);
}

void take_product(field_reader& r, const json& j, const std::string& name, plan_mixer::product& to) {
    r.take(j, name.c_str(), to.weights);
    r.take(j, (name + "_bias").c_str(), to.bias);
}

void read_step(field_reader& r, const json& j, plan_mixer& m) {
    r.take(j, "y", m.y);
    r.take(j, "points", m.points);
    r.take(j, "tokens", m.tokens);
    r.take(j, "channels", m.channels);
    r.take(j, "token_hidden", m.token_hidden);
    r.take(j, "channel_hidden", m.channel_hidden);
    r.take(j, "outputs", m.outputs);
    r.take(j, "scale", m.scale);
    r.take(j, "epsilon", m.epsilon);
    r.take(j, "first", m.first);
    take_product(r, j, "embed_points", m.embed_points);
    take_product(r, j, "embed_channels", m.embed_channels);
    take_product(r, j, "head", m.head);
    r.list(j, "layers", m.layers, [&](const json& layer, plan_mixer::layer& to) {
        r.take(layer, "token_norm", to.token_norm);
        r.take(layer, "channel_norm", to.channel_norm);
        take_product(r, layer, "token_in", to.token_in);
        take_product(r, layer, "token_out", to.token_out);
        take_product(r, layer, "channel_in", to.channel_in);
        take_product(r, layer, "channel_out", to.channel_out);
    });
}

template <class Step>
plan_step step_of(field_reader& r, const json& j) {
    Step step;
    read_step(r, j, step);
    return step;
}

plan_step read_any_step(field_reader& r, const json& j) {
    std::string kind;
    r.take(j, "kind", kind);
    if (kind == "convolution") return step_of<plan_convolution>(r, j);
    if (kind == "head") return step_of<plan_head>(r, j);
    if (kind == "dense") return step_of<plan_dense>(r, j);
    if (kind == "attention") return step_of<plan_attention>(r, j);
    if (kind == "landmarks") return step_of<plan_landmarks>(r, j);
    if (kind == "mixer") return step_of<plan_mixer>(r, j);
    r.wrong(fmt::format("there is no step '{}'", printable(kind, 40)));
    return {};
}

// Everything except the weights and numbers.
void read_fields(field_reader& r, const json& j, plan& p) {
    r.take(j, "model_sha256", p.model_sha256);
    const json& in = r.need(j, "input", &json::is_object, "an object");
    r.take(in, "name", p.input.name);
    r.take(in, "height", p.input.height);
    r.take(in, "width", p.input.width);
    r.take(in, "multiple", p.input.multiple);
    r.take(in, "scale", p.input.scale);
    r.take(in, "bias", p.input.bias);
    r.list(j, "maps", p.maps, [&](const json& map, plan_map& to) {
        r.take(map, "name", to.name);
        r.take(map, "channels", to.channels);
        r.take_any(map, "down", to.down);
        r.take_any(map, "height", to.height);
        r.take_any(map, "width", to.width);
    });
    r.list(j, "vectors", p.vectors, [&](const json& vector, plan_vector& to) {
        r.take(vector, "name", to.name);
        r.take(vector, "length", to.length);
    });
    r.list(j, "steps", p.steps, [&](const json& step, plan_step& to) {
        to = read_any_step(r, step);
        if (!r.sound()) r.within(fmt::format("step {}", p.steps.size() - 1));
    });
}

// Reads `count` values, if the remaining bytes hold them; advances past them.
template <class T>
bool take_values(std::span<const std::byte>& rest, std::int64_t count, std::vector<T>& to) {
    if (count < 0 || static_cast<std::uint64_t>(count) > rest.size() / sizeof(T)) return false;
    to.resize(static_cast<std::size_t>(count));
    const std::size_t bytes = to.size() * sizeof(T);
    if (bytes > 0) std::memcpy(to.data(), rest.data(), bytes);
    rest = rest.subspan(bytes);
    return true;
}

tl::unexpected<error> no_plan(std::string_view why) {
    return fail(errc::corrupt, fmt::format("not a plan of a network: {}", why));
}

}  // namespace

const plan_mixer* plan::mixer() const noexcept {
    return steps.size() == 1 ? std::get_if<plan_mixer>(&steps.front()) : nullptr;
}

std::span<const float> plan::at(const plan_slice& s) const {
    return std::span(weights).subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.length));
}

std::span<const std::int32_t> plan::numbers_at(const plan_slice& s) const {
    return std::span(numbers).subspan(static_cast<std::size_t>(s.offset), static_cast<std::size_t>(s.length));
}

plan::extent plan::size_of(const plan_map& m, std::int32_t input_height, std::int32_t input_width) const {
    if (m.down == 0) return {m.height, m.width};
    return {input_height / m.down, input_width / m.down};
}

result<plan> parse_plan(std::span<const std::byte> bytes) {
    if (bytes.size() < plan_header || std::memcmp(bytes.data(), plan_magic.data(), plan_magic.size()) != 0) {
        return no_plan("its header is not that of a plan");
    }
    std::uint32_t length = 0;
    std::memcpy(&length, bytes.data() + plan_magic.size(), sizeof length);
    const std::size_t start = (plan_header + length + plan_alignment - 1) / plan_alignment * plan_alignment;
    if (length > longest_text || start > bytes.size()) return no_plan(fmt::format("its text is {} bytes long", length));
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + plan_header, length);
    if (depth_of(text) > deepest_text) return no_plan("its text is nested too deeply");
    const json j = json::parse(text, nullptr, false);
    if (!j.is_object()) return no_plan("its text is not a JSON object");

    plan p;
    field_reader r;
    read_fields(r, j, p);
    auto rest = bytes.subspan(start);
    const auto weights = r.integer(r.find(j, "weights"), "weights");
    const auto numbers = r.integer(r.find(j, "numbers"), "numbers");
    if (!r.sound()) return no_plan(r.problem());
    if (!take_values(rest, weights, p.weights) || !take_values(rest, numbers, p.numbers) || !rest.empty()) {
        return no_plan(
            fmt::format("{} weights and {} numbers are not what its {} bytes hold", weights, numbers, bytes.size()));
    }
    FACEFLOW_TRY(check_plan(p));
    return p;
}

result<plan> load_plan(const fs::path& model, std::string_view model_sha256) {
    const fs::path file = fs::path(model).replace_extension(".plan");
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    if (!in)
        return fail(errc::not_found, fmt::format("there is no plan {}; tools/make_plan.py makes it", file.string()));
    const std::streamoff size = in.tellg();
    if (size < 0 || static_cast<std::uintmax_t>(size) > largest_plan) {
        return fail(errc::corrupt, fmt::format("{} is {} bytes long, too long for a plan", file.string(), size));
    }
    std::vector<std::byte> bytes(static_cast<std::size_t>(size));
    in.seekg(0);
    if (!in.read(reinterpret_cast<char*>(bytes.data()), size)) {
        return fail(errc::io, fmt::format("cannot read {}", file.string()));
    }
    auto p = parse_plan(bytes);
    if (!p) return fail(p.error().code, fmt::format("{}: {}", file.string(), p.error().message));
    if (p->model_sha256 != model_sha256) {
        return fail(errc::corrupt,
                    fmt::format("{} was made from another model than {}; tools/make_plan.py makes it again",
                                file.string(), model.filename().string()));
    }
    return p;
}

std::vector<tensor_index> plan::maps_of_vectors() const {
    std::vector<tensor_index> of(vectors.size(), -1);
    for (const plan_step& s : steps) {
        const auto* head = std::get_if<plan_head>(&s);
        if (head == nullptr) continue;
        for (const plan_head::part& part : head->parts)
            of[static_cast<std::size_t>(part.y)] = head->x;
    }
    return of;
}

result<void> plan::check_input(std::int32_t input_height, std::int32_t input_width, std::int32_t pictures) const {
    const bool fits = input.height > 0 ? input_height == input.height && input_width == input.width
                                       : input_height > 0 && input_width > 0 && input_height % input.multiple == 0 &&
                                             input_width % input.multiple == 0;
    if (fits && pictures >= 1) return {};
    return fail(errc::invalid_argument,
                fmt::format("{} pictures of {} x {} for a network that takes {}", pictures, input_width, input_height,
                            input.height > 0 ? fmt::format("{} x {}", input.width, input.height)
                                             : fmt::format("multiples of {}", input.multiple)));
}

}  // namespace faceflow::internal::inference
