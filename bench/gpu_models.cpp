#include "gpu_models.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "flow/models.hpp"
#include "flow/workspace.hpp"
#include "inference/catalogue.hpp"

namespace faceflow::bench {
namespace {

// 34 GFLOP on a GPU; a small one would not fill it, a large one take a CPU seconds.
constexpr std::int64_t gpu_matrix = 4096, host_matrix = 1024;

// A length-delimited or a number's field of a protobuf message.
std::string field(int number, const std::string& content) {
    std::string out{static_cast<char>(number << 3 | 2)};
    for (std::size_t n = content.size();; n >>= 7) {
        out += static_cast<char>(n > 127 ? (n & 127) | 128 : n);
        if (n <= 127) break;
    }
    return out + content;
}
std::string field(int number, std::int64_t value) {
    std::string out{static_cast<char>(number << 3)};
    for (;; value >>= 7) {
        out += static_cast<char>(value > 127 ? (value & 127) | 128 : value);
        if (value <= 127) return out;
    }
}

// The model y = x * x for matrices of `side` rows and columns; field numbers are those of onnx.proto.
std::string product_model(std::int64_t side) {
    const std::string dim = field(1, field(1, side));
    const std::string type = field(2, field(1, field(1, std::int64_t{1}) + field(2, dim + dim)));
    const std::string node = field(1, "x") + field(1, "x") + field(2, "y") + field(4, "MatMul");
    const std::string graph =
        field(1, node) + field(2, "product") + field(11, field(1, "x") + type) + field(12, field(1, "y") + type);
    return field(1, std::int64_t{8}) + field(7, graph) + field(8, field(2, std::int64_t{13}));
}

std::shared_ptr<inference::session> session_of(bed& b, const std::string& model) {
    const auto file = std::filesystem::temp_directory_path() / fmt::format("faceflow-product-{}.onnx", ::getpid());
    std::ofstream(file, std::ios::binary) << model;
    auto loaded =
        inference::session::load(value_or_exit(inference::runtime::create({})), file, inference::threading::shared,
                                 {.home = b.on().computes_on_host() ? nullptr : &b.work_stream()});
    std::filesystem::remove(file);
    return value_or_exit(std::move(loaded));
}

// Both ways, on a batch of n.
model_row measured(bed& b, std::string name, flow::batched_model& model, std::int32_t n, const model_cost& cost) {
    model_row r;
    r.name = std::move(name);
    r.cost = cost;
    const auto begun = std::chrono::steady_clock::now();
    model.add_run(b.work_stream(), n, false);
    b.wait();
    r.first_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count();
    r.by_kernel_us = b.measure([&](std::size_t) { model.add_run(b.work_stream(), n, false); });
    if (b.on().computes_on_host()) return r;
    for (int i = 0; i < 3; ++i)  // some runs, and a capture that may have to be tried again
        model.add_run(b.work_stream(), n, true);
    r.graph_us = b.measure([&](std::size_t) { model.add_run(b.work_stream(), n, true); });
    if (const std::string& why = model.graph_refusal(); !why.empty()) {
        fmt::print(stderr, "gpu: {} without a graph: {}\n", r.name, why);
        r.graph_us = 0;
    }
    return r;
}

}  // namespace

double matrix_rate(bed& b) {
    const std::int64_t side = b.on().computes_on_host() ? host_matrix : gpu_matrix;
    const auto bytes = static_cast<std::size_t>(side * side) * sizeof(float);
    const auto model = session_of(b, product_model(side));
    const auto at = [&](std::byte* memory) {
        return reinterpret_cast<float*>(b.on().computes_on_host() ? b.on().kernel_address(memory) : memory);
    };
    // Noise: zeros would use less power, and so run faster than data does.
    std::vector<float> noise(bytes / sizeof(float));
    std::minstd_rand random(3);
    for (float& x : noise)
        x = static_cast<float>(random() % 2001) / 1000.0f - 1;
    const inference::bound_tensor x{"x", at(b.upload(noise.data(), bytes)), {side, side}},
        y{"y", at(b.memory(bytes)), {side, side}};
    auto product = value_or_exit(inference::binding::create(model, {&x, 1}, {&y, 1}));
    const double us = b.measure([&](std::size_t) { b.work_stream().enqueue([&] { return product.run(); }); });
    return 2.0 * static_cast<double>(side * side * side) / us * 1e6;
}

std::vector<model_row> model_rows(bed& b) {
    const auto store = value_or_exit(inference::model_store::open());
    const auto runtime = value_or_exit(inference::runtime::create({}));
    const auto loaded = value_or_exit(flow::load_models({}, store, runtime, inference::threading::shared));
    constexpr std::int32_t most_frames = 16, faces = 64;
    const auto models = value_or_exit(loaded.on_streams(b.work_stream(), b.work_stream(), {most_frames, faces}));
    auto detector = value_or_exit(flow::detector_memory::create(b.on(), models, most_frames));
    auto mesh = value_or_exit(flow::mesh_memory::create(b.on(), models, faces));
    const bool host = b.on().computes_on_host();
    std::vector<model_row> rows;
    for (const std::int32_t n : {1, 4, 16}) {
        if (host && n > 4) continue;  // a CPU gains nothing from more
        rows.push_back(measured(b, fmt::format("detector/frames:{}", n), detector.model(), n, detector_cost(n)));
    }
    for (const std::int32_t n : {1, 4, 16, 64}) {
        if (host && n > 4) continue;
        rows.push_back(measured(b, fmt::format("mesh/faces:{}", n), mesh.model(), n, mesh_cost(n)));
    }
    return rows;
}

}  // namespace faceflow::bench
