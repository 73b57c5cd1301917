#pragma once
// Files for the readers' tests, made of bytes, and what hostile ones do to them.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>

#include <dz/data/file.hpp>
#include <dz/data/zip.hpp>
#include <dz/tensor/array.hpp>

#include "tests/data/hex.hpp"
#include "tests/support/support.hpp"

namespace dz::test {

/// A .npy file with that header text.
inline std::string npy_file(std::string_view header, std::string_view data, int version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 255);
  bytes += header;
  bytes += data;
  return bytes;
}

/// A safetensors file with that header.
inline std::string safetensors_file(std::string_view header, std::string_view data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 255);
  bytes += header;
  bytes += data;
  return bytes;
}

/// Exactly equal: dtype, shape and every byte.
inline bool identical(const Array& a, const Array& b) {
  if (a.dtype() != b.dtype() || !a.same_shape(b)) return false;
  const Array p = a.contiguous(), q = b.contiguous();
  return std::equal(p.bytes(), p.bytes() + static_cast<std::size_t>(p.size()) * size_of(p.dtype()), q.bytes());
}

/// Without the care of write_file, thousands of times. (A new file each time: one that is cut and filled again may wait for the disk.)
inline void write_plainly(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// Every file that a broken or hostile one may become: cut at each length, and with each of its first header_bytes bytes changed in
/// several ways. read(path) has to come back or to throw an Error, and not because it asked for too much memory; returns how often it
/// came back.
template <class Read> int survive(const std::string& bytes, std::size_t header_bytes, Read read) {
  const TempDir folder;
  const std::filesystem::path path = folder / "file";
  int accepted = 0;
  const auto attempt = [&](std::string_view changed) {
    write_plainly(path, changed);
    try {
      read(path);
      ++accepted;
    } catch (const MemoryError& e) {
      FAIL_CHECK(e.what());
    } catch (const Error&) {
    }
  };
  for (std::size_t length = 0; length < bytes.size(); ++length) attempt(std::string_view(bytes).substr(0, length));
  for (std::size_t i = 0; i < std::min(header_bytes, bytes.size()); ++i)
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ flip);
      attempt(changed);
    }
  return accepted;
}

/// What is thrown by f, which has to be an E whose message holds all of the given words.
template <class E, class F> void check_refused(F f, std::initializer_list<std::string_view> words) {
  try {
    f();
    FAIL_CHECK("nothing was thrown");
  } catch (const E& e) {
    const std::string what = e.what();
    INFO(what);
    for (const std::string_view word : words) {
      INFO(word);
      CHECK(what.find(word) != std::string::npos);
    }
  }
}

/// An HDF5 file, from its deflated bytes.
inline std::string hdf5_file(std::string_view deflated, std::uint64_t size, std::uint32_t checksum) {
  const std::string packed = from_hex(deflated);
  const detail::ZipMember member{"fixture", packed, size, checksum, true};
  detail::MemberReader reader(member);
  std::string bytes = reader.text(size);
  reader.finish();
  return bytes;
}

/// As h5py writes them: tiny_set_x, uint8 0 to 11 of shape (2, 2, 1, 3), and tiny_set_y, big-endian int32 1, 0.
inline std::string labelled_hdf5() {
  return hdf5_file(
      "ebf47071e3e592e26200010e0e061606010664f01f0a443850f930f90428cd08a53ba0f40a26983823584e022a2e08351f5d5d4890ab2b48f57f3400b3c7800542"
      "4b308c8291083c5c1d0340740494af01a54f30a1aa2bc9ccab8c2f4e2d89af40e357a2a6530322ed65646085e86184f13d20340b4400663d135a3e604613c725cf"
      "0ccc0f203101b81c24a3b10269109f89898911220a49f9cc8c50050c3c682e4da04b3c04fbf9bb30027d0375048302337ef5b0fc5ac13a9a86f1a72b4848313262"
      "4f57f074c2c9c000290a1508a4131e681471a0d93c6134f047015242646266616563e7e0e4e286a54600",
      2068, 0x08d74ecc);
}

/// f2 (1.5, -2, 65504); f4 big-endian ((1.5, -2)); f8 the scalar 0.1; i1 (-128, 127); u8 (2^63 - 1); big uint64 (1, 2^63); flag
/// (true, false); group/packed gzipped int64 ((0, 1, 2), (3, 4, 5)); text; none, without a dataspace; empty (0, 3); outside, a link
/// to another file; soft, a link to f4.
inline std::string kinds_hdf5() {
  return hdf5_file(
      "ed5a4d6c1b45147e336b3b2b5b691c0ad42a487148292ea0340457320748eac69629a1983a153f422469b36e0cf9a3d9480e3f8a5509142ea8872252384005481c"
      "38b41c90b845eda5142155ad3870e082d47b25246e28ccdfdbcdaee3750aa124e97c3ebc79336f67bc6fdfbc79f3663e2c0ce45ba3bba3c0619a108238acc68a42"
      "b6dbcb63fb88a244d14545bfa1581f126d09551f57fd2fb7483ea3ea878ee67200d4e9df3f4e4f4852ece7da4392a640e36e402177b0c8e905c58f2b9a5476902f"
      "9572706b9f32ba2e02bff1c2cdbfacb7ffddb804c2d2b609f2d202099115869273694288b627db802a8b8f8621daa6dac3608a764aa9e8c054fd1984150522be7f"
      "b0b8a9be43e9c80b035c273da8ff7b82e5d13fd41e099633b13f23580ebd53351c2c877e6231b239edb9deaea42723d22c1c7f4a7dfe95faedacb303a46b4cc22e"
      "13762d34b5b388e9d538a2bac9f4617adedb9d577daaa51fd23148af18cdde774783f75ddad4fe8e889f6bc7edcaf2173bd4fada296954bd3738f6814f649433bc"
      "ba2f70a0676079e59dbe65b62233e6d3731c3ff4d516d4f2bb40bcd23502d5d74f8cd4209ffa39f4f5b9f3e9d8d9f2fbd78114203e7a5caf521a1a1a1a1a1a5b03"
      "cdf637b42eee8c0bd1b8898f984de2affb4d6f0f88335b521fc4178f3bfa7034d1df441f8906f1e899ed651febd647d2f4eeecb69b3e52328ea750376ff207074b"
      "39e0b9af633934aac67aea69308ffeef7d5b24701f4b7df9115a972f71fdc99af662c89e636c7f4b849eddfd21df218d59e58951db527be055faa246f13e7748c3"
      "9d702fffa7fae0794cfebffc79cc4493e77a7deec0af27532f551a1a1a1a1a1a1a1adb0af2fc9b343cff4eecd171e0dd0c3cffc6dd0bee96af747ae566464fbc69"
      "8db9f989c2068d5fee5534ada8bab8517942d239c51faf9c94ed13a3a2604fce08fee4a9e9395eb2adaacdf9a9e9298b536b72c69e878dfbbff27c3ae2dc2be9d9"
      "d944af8a2eb578f33afe73b624c0da690a1ff0fbccec0d962b2a3af270b01cde6f89b7df597b937a742e2540ffbd7a0efeb3fcc8ede61365de6327913980c6f9a0"
      "c30df2414b5b4c1f26be0595ef8fe7fcb77bafc1bf626e557d78f367e0d805acc96fbcbeaa7ad2ae03f9a38522b408c35db522a04ebbd4c7c30b6975696185d675"
      "8e165af524515f9940f671acfbfc50f695ec5061807d6eca73a50063a9eca338068ef2e517c383f91293822e026b7a1f77bc22b383a4d372458dbe1bbcf4a7f2cd"
      "0bd9a1c13c84ff38fcab095f89e1c853b1183c298a9f3d70fe41f88015dbe0c5cc2f07e07951db77fa93e7449ab715debbd1fd1acc8be2adb7de7d032eb262071c"
      "39559a846ba2f6e9434335e812eb6ef6a5ab1781e77477c0e9cbdf7d0faf8a7e2f3f36fe237c2c8acfee495d878a90fde8f7b37f6a23bd3333a13090752e1b715c"
      "fa76a546c06091205e0e644e4ec479780990002df7e24d3fcea4f13a1f673278678f4088879118c2b15e4414e9866a94459f714796879418763196479a185d31d1"
      "b90c8650c4ec6f999eb3672b6316fb7f13dde30760bf5d999a1f9eb5ece12a6b26a1d9e9b26dc07e0c763502f037",
      11842, 0x87d67e59);
}

}  // namespace dz::test
